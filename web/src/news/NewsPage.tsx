import { useSearchParams } from "wouter";
import { Card, Page } from "../ui/layout";
import { AssetFilter } from "./AssetFilter";
import { NewsList } from "./NewsList";
import css from "./NewsPage.module.css";
import { SentimentCard } from "./SentimentCard";

export default function NewsPage() {
  const [search] = useSearchParams();
  const asset = search.get("asset")?.toUpperCase() || undefined;
  return (
    <Page
      title={asset === undefined ? "News" : `News of ${asset}`}
      lead="What newsrooms publish, each article once, and how its words sound for those who hold the asset."
    >
      <div className={css.columns}>
        <AssetFilter chosen={asset} />
        <div className={css.news}>
          {asset !== undefined && <SentimentCard key={asset} asset={asset} />}
          <Card flush>
            <NewsList asset={asset} />
          </Card>
        </div>
      </div>
    </Page>
  );
}
