/**
 * Takes an alert to every channel that is concerned, each on its own: one that fails or is slow keeps no other waiting, and
 * when the event comes again those that have it do not get it twice. What is held back comes in digests.
 */
import type { Alert } from '../../core/alerts/alert.ts';
import {
  channelNamed,
  channelsOf,
  isQuiet,
  type NamedChannel,
  PLATFORM_CHANNEL,
  STORM_ABOVE,
} from '../../core/alerts/channels.ts';
import {
  alertMessage,
  digestMessage,
  type Message,
  stormMessage,
} from '../../core/alerts/messages.ts';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { Report } from '../../core/report.ts';
import type { AlertDeliveries, HeldAlert } from '../adapters/alert-deliveries.ts';
import type { AlertTopics } from '../adapters/alert-topics.ts';
import type { SlackWebhooks } from '../adapters/slack-webhooks.ts';

export interface AlertRouterOptions {
  readonly policy: () => Promise<PolicySnapshot>;
  readonly deliveries: AlertDeliveries;
  readonly topics: AlertTopics;
  readonly slack: SlackWebhooks;
  /** Where people read the project's files. */
  readonly docsUrl: string | undefined;
  readonly clock: Clock;
  readonly report: Report;
}

export interface AlertRouter {
  /** Throws when a channel did not get it, after all were tried: the event comes again. */
  route(alert: Alert): Promise<void>;
  /** Sends what was held back and may go now. */
  flush(): Promise<void>;
}

/** Of the stage and not of the policy. */
const CHAT_CHANNEL = 'chat-service';

export function createAlertRouter(options: AlertRouterOptions): AlertRouter {
  return {
    async route(alert) {
      const channels = [...stageChannels(options), ...(await teamChannels(options, alert))];
      await allOf(
        options,
        channels.map((channel) => deliverOnce(options, channel, alert)),
      );
    },
    async flush() {
      const held = Map.groupBy(await options.deliveries.held(), ({ channel }) => channel);
      if (held.size === 0) return;
      const policy = await options.policy();
      await allOf(
        options,
        [...held].map(([name, each]) => flushChannel(options, channelOf(policy, name), each)),
      );
    },
  };
}

function stageChannels({ topics }: AlertRouterOptions): NamedChannel[] {
  const platform = { name: PLATFORM_CHANNEL };
  return topics.toChat === undefined ? [platform] : [platform, { name: CHAT_CHANNEL }];
}

/** Without the policy the platform team is told all the same. */
async function teamChannels(options: AlertRouterOptions, alert: Alert) {
  try {
    return channelsOf(await options.policy(), alert);
  } catch (fault) {
    options.report('policy not refreshed', fault);
    return [];
  }
}

/** Undefined where the policy has dropped it. */
function channelOf(policy: PolicySnapshot, name: string): NamedChannel | undefined {
  const isOfStage = name === PLATFORM_CHANNEL || name === CHAT_CHANNEL;
  return isOfStage ? { name } : channelNamed(policy, name)[0];
}

async function allOf({ report }: AlertRouterOptions, works: readonly Promise<void>[]) {
  const outcomes = await Promise.allSettled(works);
  const faults = outcomes.flatMap((outcome): unknown[] =>
    outcome.status === 'rejected' ? [outcome.reason] : [],
  );
  for (const fault of faults) report('alert not delivered', fault);
  if (faults.length > 0) throw new Error(`${faults.length} channels did not get the alert`);
}

async function deliverOnce(
  options: AlertRouterOptions,
  channel: NamedChannel,
  alert: Alert,
): Promise<void> {
  const { deliveries } = options;
  const id = alert.deduplicationId;
  const claim = await deliveries.claim(channel.name, id);
  if (claim === 'told') return;
  // It is delivered at this moment, or its deliverer has died: the event comes again.
  if (claim === 'busy') throw new Error(`the alert is claimed elsewhere for ${channel.name}`);
  try {
    // Counted once, however often it is tried.
    if (claim === 'first') await deliverOrHold(options, channel, alert);
    else await send(options, channel, alertMessage(alert, options.docsUrl));
  } catch (fault) {
    await deliveries.finish(channel.name, id, 'failed');
    throw fault;
  }
  await deliveries.finish(channel.name, id, 'told');
}

async function deliverOrHold(
  options: AlertRouterOptions,
  channel: NamedChannel,
  alert: Alert,
): Promise<void> {
  const { deliveries, clock } = options;
  const held = { channel: channel.name, alert };
  if (isQuiet(channel, alert, clock.nowMs())) return deliveries.hold(held);
  const counts = await deliveries.count(channel.name, alert.kind);
  const total = [...counts.values()].reduce((sum, each) => sum + each, 0);
  if (total <= STORM_ABOVE) return send(options, channel, alertMessage(alert, options.docsUrl));
  await deliveries.hold(held);
  if (total === STORM_ABOVE + 1)
    await send(options, channel, stormMessage(counts, options.docsUrl));
}

async function flushChannel(
  options: AlertRouterOptions,
  channel: NamedChannel | undefined,
  held: readonly HeldAlert[],
): Promise<void> {
  const nowMs = options.clock.nowMs();
  const due = held.filter(({ alert }) => channel === undefined || !isQuiet(channel, alert, nowMs));
  if (due.length === 0) return;
  const [first] = due;
  const message =
    due.length === 1 && first !== undefined
      ? alertMessage(first.alert, options.docsUrl)
      : digestMessage(
          due.map(({ alert }) => alert),
          options.docsUrl,
        );
  if (channel !== undefined) await send(options, channel, message);
  // Dying before the last of these repeats a digest, which is better than losing one.
  for (const each of due) await options.deliveries.release(each);
}

async function send(
  { topics, slack, report }: AlertRouterOptions,
  { name, slack: slackChannel }: NamedChannel,
  message: Message,
): Promise<void> {
  if (name === PLATFORM_CHANNEL) return topics.toPlatform(message);
  if (name === CHAT_CHANNEL) return topics.toChat?.(message);
  if (slackChannel === undefined) return topics.toTeams(name, message);
  if (await slack.post(slackChannel, message.slack)) return;
  // Trying again would find no webhook either; the platform team has the alert and an alarm.
  report('alert channel not set up', new Error(`no webhook for the Slack channel of ${name}`));
}
