/** What is sent to people when a statement is published. */
export interface StatementMessage {
  readonly subject: string;
  readonly text: string;
  /** Subscribers filter by it: `month`, or `tenant/team` for the summaries of a team. */
  readonly audience: string;
}
