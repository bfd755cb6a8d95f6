import { ArrowUp, Newspaper } from "lucide-react";
import { useRef, useState } from "react";
import { Link } from "wouter";
import { useNewsFeed } from "../live/hooks";
import { Button, buttonClass } from "../ui/Button";
import { EmptyState, Loaded, ProblemNote, SkeletonRows } from "../ui/states";
import { ArticleItem } from "./ArticleItem";
import { type Article, unseen, useArticles } from "./articles";
import css from "./NewsList.module.css";

const PAGE = 30;

interface Props {
  /** News of one asset; of all without. */
  asset?: string | undefined;
  /** Only so many, with the way to the rest; else pages. */
  limit?: number;
}

export function NewsList({ asset, limit }: Props) {
  return <List key={asset} asset={asset} limit={limit} />;
}

function List({ asset, limit }: { asset: string | undefined; limit: number | undefined }) {
  const articles = useArticles(asset, limit ?? PAGE);
  const list = useRef<HTMLUListElement>(null);
  const showNew = async () => {
    await articles.refetch();
    list.current?.firstElementChild?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Loaded query={articles} skeleton={<SkeletonRows rows={limit ?? 10} height="5.5rem" />}>
      {(shown) => (
        <div className={css.news}>
          <Arrived
            asset={asset}
            shown={shown}
            isWhole={!articles.hasNextPage}
            isReading={articles.isRefetching}
            onShow={() => void showNew()}
          />
          {shown.length > 0 ? (
            <ul ref={list} className={css.list}>
              {shown.map((article) => (
                <ArticleItem key={article.id} article={article} />
              ))}
            </ul>
          ) : (
            <NoNews asset={asset} />
          )}
          {articles.hasNextPage && (
            <div className={css.more}>
              {articles.isFetchNextPageError && <ProblemNote error={articles.error} />}
              {limit === undefined ? (
                <Button busy={articles.isFetchingNextPage} onClick={() => void articles.fetchNextPage()}>
                  Load more
                </Button>
              ) : (
                <Link href={asset === undefined ? "/news" : `/news?asset=${asset}`} className={buttonClass()}>
                  {asset === undefined ? "All news" : `All news of ${asset}`}
                </Link>
              )}
            </div>
          )}
        </div>
      )}
    </Loaded>
  );
}

function NoNews({ asset }: { asset: string | undefined }) {
  return (
    <EmptyState title="No news yet" icon={<Newspaper size={28} aria-hidden />}>
      {asset === undefined
        ? "Articles appear here as newsrooms publish them."
        : `No article of the last 90 days names ${asset}.`}
    </EmptyState>
  );
}

interface ArrivedProps {
  asset: string | undefined;
  shown: readonly Article[];
  isWhole: boolean;
  isReading: boolean;
  onShow: () => void;
}

/** How many have come since, and the way to see them: the list stays as it is until the reader wants it. */
function Arrived({ asset, shown, isWhole, isReading, onShow }: ArrivedProps) {
  const [arrived, setArrived] = useState<readonly Article[]>([]);
  useNewsFeed(asset === undefined ? null : [asset], (articles) =>
    setArrived((before) => [...before, ...articles]),
  );
  const { length } = unseen(arrived, shown, isWhole);
  return (
    <div className={css.arrived} aria-live="polite">
      {length > 0 && (
        <Button kind="primary" small busy={isReading} onClick={onShow}>
          {!isReading && <ArrowUp size={16} aria-hidden />}
          {length === 1 ? "1 new article" : `${length} new articles`}
        </Button>
      )}
    </div>
  );
}
