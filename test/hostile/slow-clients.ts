/** Healthy callers alone, and then among clients that write and read as slowly as they can. */
import { CANARIES, type HostileInstance } from './hostile-instance.ts';
import { chatBytes, connectTo, sendRaw } from './raw-http.ts';

export interface SlowClientsReport {
  readonly calls: number;
  readonly baselineP99Ms: number;
  /** While their 2 MB each are made and sent, which is honest work for the machine. */
  readonly arrivingP99Ms: number;
  /** Once all that is left of them is that they are there. */
  readonly amongSlowP99Ms: number;
  readonly ratio: number;
  readonly failures: number;
}

interface Crowd {
  /** Half of them never end their head; half send a body a byte at a time. */
  readonly slowloris: number;
  /** Each asks for a stream of 2 MB and reads none of it. */
  readonly slowReaders: number;
  readonly healthyMs: number;
  readonly arrivalMs: number;
}

const HEALTHY_CALLERS = 4;
const WARM_UP_MS = 60_000;

export async function runSlowClients(
  { baseUrl, virtualKey }: HostileInstance,
  { slowloris, slowReaders, healthyMs, arrivalMs }: Crowd,
): Promise<SlowClientsReport> {
  const place = { baseUrl, key: virtualKey };
  // As many environments as there will be calls: starting them is no part of what is measured.
  await Promise.all(Array.from({ length: slowReaders + HEALTHY_CALLERS }, () => warmUp(place)));
  await healthyLatencies(place, healthyMs / 4);
  const baseline = await healthyLatencies(place, healthyMs);
  const leave = [
    ...Array.from({ length: slowloris }, (_, index) => dribble(place, index % 2 === 0)),
    ...Array.from({ length: slowReaders }, () => askAndNeverRead(place)),
  ];
  const arriving = await healthyLatencies(place, arrivalMs);
  const among = await healthyLatencies(place, healthyMs);
  for (const each of leave) each();
  const phases = [baseline, arriving, among];
  return {
    calls: phases.reduce((sum, { ms }) => sum + ms.length, 0),
    baselineP99Ms: p99(baseline.ms),
    arrivingP99Ms: p99(arriving.ms),
    amongSlowP99Ms: p99(among.ms),
    ratio: p99(among.ms) / p99(baseline.ms),
    failures: phases.reduce((sum, { failures }) => sum + failures, 0),
  };
}

interface Place {
  readonly baseUrl: string;
  readonly key: string;
}

async function healthyLatencies({ baseUrl, key }: Place, forMs: number) {
  const untilMs = performance.now() + forMs;
  const ms: number[] = [];
  let failures = 0;
  const bytes = chatBytes(key, { model: 'quick', messages: prompt() });
  const caller = async () => {
    while (performance.now() < untilMs) {
      const answer = await sendRaw(baseUrl, bytes);
      ms.push(answer.ms);
      if (answer.status !== 200) failures += 1;
    }
  };
  await Promise.all(Array.from({ length: HEALTHY_CALLERS }, caller));
  return { ms, failures };
}

function warmUp({ baseUrl, key }: Place) {
  const bytes = chatBytes(key, { model: 'thinks', messages: prompt() });
  return sendRaw(baseUrl, bytes, { withinMs: WARM_UP_MS });
}

function dribble({ baseUrl, key }: Place, inHead: boolean): () => void {
  const socket = connectTo(baseUrl);
  const body = { model: 'quick', messages: prompt() };
  const bytes = chatBytes(key, body);
  const bodyAt = bytes.indexOf('\r\n\r\n') + 4;
  let sent = inHead ? 60 : bodyAt;
  socket.write(bytes.slice(0, sent));
  const timer = setInterval(() => {
    sent += 1;
    if (sent < bytes.length) socket.write(bytes.charAt(sent - 1));
  }, 250);
  return () => {
    clearInterval(timer);
    socket.destroy();
  };
}

function askAndNeverRead({ baseUrl, key }: Place): () => void {
  const socket = connectTo(baseUrl);
  socket.pause();
  socket.write(chatBytes(key, { model: 'big', stream: true, messages: prompt() }));
  return () => socket.destroy();
}

function prompt() {
  return [{ role: 'user', content: CANARIES.prompt }];
}

function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? Number.NaN;
}
