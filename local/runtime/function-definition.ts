/** A function as the template describes it, with everything resolved for this machine. */
export interface FunctionDefinition {
  readonly name: string;
  readonly arn: string;
  /** Of its log file, without the ending. */
  readonly logName: string;
  /** Folder of the bundled asset. */
  readonly codeDir: string;
  /** `file.export`, relative to the folder. */
  readonly handler: string;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly reservedConcurrency?: number;
  readonly env: Readonly<Record<string, string>>;
}
