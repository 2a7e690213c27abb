import { type RequestReport, requestSchema } from '../../core/request-lookup.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { tokensOfEvent } from '../../core/usage/event-values.ts';
import { segment } from '../admin-client.ts';
import { type Command, onlyPositional, textOf } from '../command.ts';
import { localTime, money } from '../format.ts';
import { scopeText } from '../scope.ts';
import { fields, table } from '../table.ts';

export const requestsShow: Command = {
  name: 'requests show',
  takes: '<request id>',
  about: 'One call by its x-request-id: its state, cost, holds, and where its logs and trace are.',
  options: {
    day: { value: 'day', about: 'of the call in UTC (today and the two days before)' },
    key: { value: 'key id', about: "the call's key: finds it while it runs" },
  },
  async run(input) {
    const { values } = input;
    const id = onlyPositional(input, 'one request (req_...)');
    const query = { day: textOf(values, 'day'), key: textOf(values, 'key') };
    const path = `GET /requests/${segment(id)}`;
    const { body } = await input.admin().call(path, requestSchema, { query });
    const parts = [
      fields([...callFields(body), ...(body.event === null ? [] : eventFields(body.event))]),
      ...holdTables(body),
      ...places(body),
    ];
    return { json: body, text: parts.join('\n\n') };
  },
};

type Fields = readonly (readonly [string, string | undefined])[];

const MEANING: Readonly<Record<RequestReport['state'], string>> = {
  running: 'its end has not been told',
  abandoned: 'its process died, and its holds are closed within minutes',
  'charged at the hold': 'its process died, and the truth is not known yet',
  closed: 'it is booked, and holds nothing',
  'not settled': 'it is booked, and holds something still',
};

function callFields(report: RequestReport): Fields {
  const { state, cancelled, event, posted } = report;
  const { tenant_id: tenantId, team_id: teamId, project_id: projectId } = report;
  return [
    ['request', report.request_id],
    ['state', `${state}: ${MEANING[state]}${cancelled ? '; its caller has cancelled it' : ''}`],
    ['whose', scopeText({ tenantId, teamId, projectId })],
    ['key', report.virtual_key_id],
    ['user', event?.user_id ?? undefined],
    ['feature', event?.feature ?? undefined],
    ['model', report.model_alias ?? undefined],
    ['charged', posted.length === 0 ? undefined : posted.map(postingText).join(', ')],
  ];
}

function postingText({ account, corrected }: RequestReport['posted'][number]): string {
  return `${account} ${corrected ? 'at the hold, since corrected' : 'at the hold'}`;
}

function eventFields(event: UsageEvent): Fields {
  const { provider, model, fallback_from, ttft_ms, overhead_ms } = event;
  return [
    ['served by', provider === null ? undefined : `${provider}/${model} (${event.tier})`],
    ['instead of', fallback_from ?? undefined],
    ['answer', answerText(event)],
    ['when', localTime(event.event_time_ms)],
    ['took', `${event.duration_ms} ms${event.stream ? ', streamed' : ''}`],
    ['first token', ttft_ms === null ? undefined : `after ${ttft_ms} ms`],
    ['gateway', overhead_ms === null ? undefined : `${overhead_ms} ms before the provider`],
    ['tokens', tokensText(event)],
    ['cost', costText(event)],
  ];
}

function answerText({ status, outcome, attempts, ...event }: UsageEvent): string {
  const why =
    outcome === 'denied'
      ? `${event.denied_dimension} of ${event.denied_scope}`
      : (event.error_code ?? event.stop_reason);
  const told = [status === 0 ? 'status unknown' : String(status), outcome, why];
  const shown = told.filter((part) => part !== null && part !== undefined).join(', ');
  return attempts > 1 ? `${shown}, after ${attempts} attempts` : shown;
}

function tokensText(event: UsageEvent): string {
  const { inputTokens, outputTokens } = tokensOfEvent(event);
  const details = [
    [event.cached_input_tokens, 'cached'],
    [event.reasoning_tokens, 'for reasoning'],
  ] as const;
  const shown = details.flatMap(([count, what]) =>
    count === null || count === 0 ? [] : [`${count} ${what}`],
  );
  return [
    `${inputTokens} in, ${outputTokens} out`,
    ...(shown.length === 0 ? [] : [`(${shown.join(', ')})`]),
    ...(event.estimated ? ['estimated'] : []),
  ].join(' ');
}

function costText({ cost_nano_usd, billed_nano_usd, held_nano_usd }: UsageEvent): string {
  const billed = billed_nano_usd === null ? '' : `, billed ${money(billed_nano_usd)}`;
  const held = held_nano_usd === 0 ? '' : ` (while it ran ${money(held_nano_usd)} were held)`;
  return `${money(cost_nano_usd)}${billed}${held}`;
}

function holdTables({ holds, leases }: RequestReport): string[] {
  const left = (seconds: number | null) => (seconds === null ? 'gone' : `${seconds} s`);
  const ofHolds = table<RequestReport['holds'][number]>(
    [
      { title: 'holds in', cell: ({ scope }) => scope },
      { title: 'account', cell: ({ account }) => account },
      { title: 'money', align: 'right', cell: ({ nano_usd }) => money(nano_usd) },
      { title: 'in', align: 'right', cell: ({ input_tokens }) => String(input_tokens) },
      { title: 'out', align: 'right', cell: ({ output_tokens }) => String(output_tokens) },
      {
        title: 'expires in',
        align: 'right',
        cell: ({ expires_in_seconds }) => left(expires_in_seconds),
      },
    ],
    holds,
    '',
  );
  const ofLeases = table<RequestReport['leases'][number]>(
    [
      { title: 'part of a lease in', cell: ({ account }) => account },
      { title: 'lease', cell: ({ lease }) => lease },
      { title: 'settled', cell: ({ settled }) => (settled ? 'yes' : 'no') },
      {
        title: 'expires in',
        align: 'right',
        cell: ({ expires_in_seconds }) => left(expires_in_seconds),
      },
    ],
    leases,
    '',
  );
  return [ofHolds, ofLeases].filter((each) => each !== '');
}

function places({ logs, trace, record }: RequestReport): string[] {
  return [
    `Its logs, in ${logs.log_group}:\n${logsCommand(logs)}`,
    ...(trace === null ? [] : [`Its trace ${trace.trace_id}:\n${trace.xray}`]),
    ...(record === null ? [] : [`Its record, where one was kept:\n${record.join('\n')}`]),
  ];
}

/** Logs Insights answers after some seconds. Nobody knows when a call ran that left no event and holds nothing. */
function logsCommand({ region, log_group, query, from, to }: RequestReport['logs']): string {
  if (from === null || to === null) return query;
  const at = `--region ${region}`;
  const between = `--start-time ${secondsOf(from)} --end-time ${secondsOf(to)}`;
  const start = `aws logs start-query ${at} --log-group-name '${log_group}' ${between}`;
  return `id=$(${start} --query-string '${query}' --output text --query queryId)
sleep 5; aws logs get-query-results ${at} --query-id "$id"`;
}

function secondsOf(time: string): number {
  return Math.floor(Date.parse(time) / 1_000);
}
