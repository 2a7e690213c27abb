/**
 * Alerts as text for an e-mail and as blocks for Slack: what, about whom, how bad, since when, the numbers, whom to ask, and
 * where to look. Every length is bounded, and nothing that a caller has written can become markup.
 */
import type { Alert } from './alert.ts';

export interface Message {
  /** One line of plain text. */
  readonly subject: string;
  readonly text: string;
  readonly slack: SlackMessage;
}

export interface SlackMessage {
  /** For notifications, which show no blocks. */
  readonly text: string;
  readonly blocks: readonly SlackBlock[];
}

type SlackBlock =
  | {
      readonly type: 'header';
      readonly text: { readonly type: 'plain_text'; readonly text: string };
    }
  | { readonly type: 'section'; readonly text: { readonly type: 'mrkdwn'; readonly text: string } };

/** `docsUrl` makes a link of the runbook's path. */
export function alertMessage(alert: Alert, docsUrl?: string): Message {
  const subject = subjectOf(alert);
  const lines = [
    sentence(alert),
    '',
    `About: ${alert.about}`,
    `Owner: ${alert.owner}`,
    `Since: ${alert.since}`,
    ...Object.entries(alert.numbers).map(([name, value]) => `${label(name)}: ${value}`),
    '',
    `Runbook: ${linked(alert.runbook, docsUrl)}`,
    `Look deeper: ${alert.command}`,
  ];
  return message(subject, lines);
}

/** Of alerts that were held back, by kind. */
export function digestMessage(alerts: readonly Alert[], docsUrl?: string): Message {
  const counts = new Map<string, number>();
  for (const { kind } of alerts) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const latest = alerts.slice(0, MAX_LISTED).map((alert) => `- ${subjectOf(alert)}`);
  const more = alerts.length - latest.length;
  return message(`${alerts.length} alerts, held back until now`, [
    ...countLines(counts),
    '',
    ...latest,
    ...(more > 0 ? [`and ${more} more`] : []),
    '',
    `Runbook: ${linked('docs/runbook.md#incidents', docsUrl)}`,
  ]);
}

/** At the first alert of a storm that is held back. */
export function stormMessage(counts: ReadonlyMap<string, number>, docsUrl?: string): Message {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return message(`A storm of alerts: ${total} within five minutes`, [
    ...countLines(counts),
    '',
    'More come together every five minutes until it is over.',
    `Runbook: ${linked('docs/runbook.md#incidents', docsUrl)}`,
  ]);
}

function linked(path: string, docsUrl: string | undefined): string {
  return docsUrl === undefined ? path : `${docsUrl}/${path}`;
}

const MAX_LISTED = 20;
/** SNS takes less than 100 characters; Slack's headers take 150. */
const MAX_SUBJECT = 99;
/** Slack takes 3,000 characters in a section, and escaping makes them at most five times as many. */
const MAX_SECTION = 2_900;
const MAX_LINE = 500;

function message(subject: string, lines: readonly string[]): Message {
  const title = clipped(oneLine(subject), MAX_SUBJECT);
  const text = lines.map((line) => clipped(oneLine(line), MAX_LINE)).join('\n');
  return {
    subject: title,
    text,
    slack: {
      text: escaped(title, MAX_SECTION),
      blocks: [
        { type: 'header', text: { type: 'plain_text', text: title } },
        { type: 'section', text: { type: 'mrkdwn', text: escaped(text, MAX_SECTION) } },
      ],
    },
  };
}

function subjectOf({ severity, state, kind, about }: Alert): string {
  return `[${severity}] ${kind} ${STATE[state]}: ${about}`;
}

const STATE: Readonly<Record<Alert['state'], string>> = {
  opened: 'found',
  worsened: 'is worse',
  closed: 'is over',
};

function sentence({ state, summary }: Alert): string {
  const text = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  return state === 'closed' ? `Over. Last seen: ${text}` : text;
}

function countLines(counts: ReadonlyMap<string, number>): string[] {
  return [...counts]
    .toSorted(([, one], [, other]) => other - one)
    .map(([kind, count]) => `${count} x ${kind}`);
}

/** `usualP95Ms` reads as `usual p95 ms`. */
function label(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

function clipped(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;
}

/** Cut before it is escaped would be too long; cut after could halve an entity. */
function escaped(text: string, max: number): string {
  let result = '';
  for (const character of text) {
    const next = ENTITIES[character] ?? character;
    if (result.length + next.length > max - 1) return `${result}…`;
    result += next;
  }
  return result;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
