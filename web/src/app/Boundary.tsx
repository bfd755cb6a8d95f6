import { Component, type ReactNode } from "react";
import { Page } from "../ui/layout";
import { ErrorState } from "../ui/states";

interface State {
  error: Error | null;
}

/** What a page's own fault, or a part of it that cannot be loaded, shows. */
export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
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
