import { Component, type ReactNode } from "react";
import { Page } from "../ui/layout";
import { ErrorState } from "../ui/states";

interface Props {
  /** The page that is shown: another one is tried anew. */
  path: string;
  children: ReactNode;
}

interface State {
  error: Error | null;
}

/** What a page's own fault, or a part of it that cannot be loaded, shows. */
export class Boundary extends Component<Props, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override componentDidUpdate(before: Props): void {
    if (this.state.error && before.path !== this.props.path) this.setState({ error: null });
  }

  override render(): ReactNode {
    if (!this.state.error) return this.props.children;
    return (
      <Page title="Something went wrong">
        <ErrorState
          error={new Error("This page could not be shown. Loading it anew usually helps.")}
          onRetry={() => location.reload()}
        />
      </Page>
    );
  }
}
