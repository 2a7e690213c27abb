/** Tells when a JSON object that arrives in pieces is whole, in one pass over its characters. */
export interface JsonScan {
  add(text: string): void;
  /** The object that began has been closed. */
  isWhole(): boolean;
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;

export function createJsonScan(): JsonScan {
  let depth = 0;
  let hasBegun = false;
  let isInString = false;
  let isEscaped = false;

  function step(code: number): void {
    if (isEscaped) isEscaped = false;
    else if (isInString && code === BACKSLASH) isEscaped = true;
    else if (code === QUOTE) isInString = !isInString;
    else if (!isInString && code === OPEN) {
      hasBegun = true;
      depth += 1;
    } else if (!isInString && code === CLOSE) depth -= 1;
  }

  return {
    add(text) {
      for (let at = 0; at < text.length; at += 1) step(text.charCodeAt(at));
    },
    isWhole: () => hasBegun && depth <= 0,
  };
}
