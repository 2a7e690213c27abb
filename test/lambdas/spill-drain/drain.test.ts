import { describe, expect, it } from 'vitest';
import { type DrainPorts, drain } from '../../../lambdas/spill-drain/drain.ts';

const message = (messageId: string, body: string) => ({ messageId, body });
const event = (id: string) => message(id, JSON.stringify({ request_id: `req_${id}`, later: [1] }));

function world(overrides: Partial<DrainPorts> = {}) {
  const seen = { put: [] as unknown[], reports: [] as string[] };
  const ports: DrainPorts = {
    putRecords: async (records) => {
      seen.put.push(...records);
      return records.map(() => true);
    },
    report: (incident) => void seen.reports.push(incident),
    ...overrides,
  };
  return { seen, ports };
}

describe('draining spilled events', () => {
  it('puts them into the stream as they were, under their request, whatever version wrote them', async () => {
    const { seen, ports } = world();
    expect(await drain(ports, [event('a'), event('b')])).toEqual([]);
    expect(seen.put).toEqual([
      { partitionKey: 'req_a', data: '{"request_id":"req_a","later":[1]}\n' },
      { partitionKey: 'req_b', data: '{"request_id":"req_b","later":[1]}\n' },
    ]);
  });

  it('leaves in the queue exactly what the stream refused', async () => {
    const { ports } = world({ putRecords: async () => [true, false, true] });
    expect(await drain(ports, [event('a'), event('b'), event('c')])).toEqual(['b']);
  });

  it('leaves everything in the queue when the stream is out, or answers for fewer records', async () => {
    const out = world({ putRecords: () => Promise.reject(new Error('out')) });
    expect(await drain(out.ports, [event('a'), event('b')])).toEqual(['a', 'b']);
    expect(out.seen.reports).toEqual(['usage not drained']);
    const short = world({ putRecords: async () => [true] });
    expect(await drain(short.ports, [event('a'), event('b')])).toEqual(['b']);
  });

  it.each(['{', '[]', 'null', '{"request_id":7}', '{"request_id":""}', '-'])(
    'puts %j there too, for the lake to keep as rejected or flagged, and says so',
    async (body) => {
      const { seen, ports } = world();
      expect(await drain(ports, [event('a'), message('p', body)])).toEqual([]);
      expect(seen.put[1]).toEqual({ partitionKey: 'p', data: `${body}\n` });
      expect(seen.reports).toEqual(['record not readable']);
    },
  );
});
