/** Operations on the ledger: months closed, and providers' invoices compared with it. */
import * as z from 'zod';
import type { Problem } from '../../core/invoices/invoice.ts';
import { adminRoute, done, refused } from './admin-route.ts';
import { type ClosePorts, closedAnswer, closeLedgerMonth } from './close-ledger.ts';
import {
  approveInvoice,
  type InvoiceAnswer,
  type InvoicePorts,
  importInvoice,
  showInvoice,
} from './invoices.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';

const nothing = z.strictObject({});
const invoiceParams = z.strictObject({
  provider: z.string().min(1).max(64),
  id: z.string().regex(/^[0-9a-f]{16}$/, 'the 16 digits of an invoice'),
});
const closedSchema = z.object({
  closedThrough: z.string().nullable(),
  firstOpenPeriod: z.string().nullable(),
});
const invoiceSchema = z.looseObject({ invoiceId: z.string(), provider: z.string() });

export function ledgerRoutes(ports: ClosePorts & InvoicePorts): readonly AdminRoute[] {
  return [...closeRoutes(ports), ...invoiceRoutes(ports)];
}

function closeRoutes(ports: ClosePorts): readonly AdminRoute[] {
  const common = { path: '/ledger/close', params: nothing, query: nothing, answer: closedSchema };
  return [
    adminRoute({
      ...common,
      operation: 'showClosedMonths',
      method: 'GET',
      summary: 'How far the months of the ledger are closed.',
      body: z.unknown(),
      permission: 'usage:read',
      target: () => ({}),
      handle: async () => done(200, closedAnswer(await ports.closedMonths.through())),
    }),
    adminRoute({
      ...common,
      operation: 'closeMonth',
      method: 'POST',
      summary: 'Closes a month: what comes later for it is booked in the first open one.',
      body: z.unknown().meta({
        type: 'object',
        properties: { period: { type: 'string', description: 'YYYY-MM' } },
        required: ['period'],
      }),
      permission: 'ledger:write',
      target: () => ({}),
      async handle({ body }) {
        const result = await closeLedgerMonth(ports, body);
        return result.kind === 'closed'
          ? done(200, closedAnswer(result.closedThrough))
          : refused(400, 'invalid_period', result.reason);
      },
    }),
  ];
}

function invoiceRoutes(ports: InvoicePorts): readonly AdminRoute[] {
  const common = { query: nothing, answer: invoiceSchema, target: () => ({}) };
  return [
    adminRoute({
      ...common,
      operation: 'importInvoice',
      method: 'PUT',
      path: '/invoices/{provider}',
      summary: "Keeps a provider's cost report, once it is understood.",
      params: invoiceParams.pick({ provider: true }),
      body: z.string(),
      text: 'text/plain',
      permission: 'invoices:write',
      handle: async ({ params, body }) =>
        invoiceAnswer(await importInvoice(ports, params.provider, body)),
    }),
    adminRoute({
      ...common,
      operation: 'showInvoice',
      method: 'GET',
      path: '/invoices/{provider}/{id}',
      summary: 'The invoice compared with the ledger, and the adjustments proposed.',
      params: invoiceParams,
      body: z.unknown(),
      permission: 'usage:read',
      handle: async ({ params: { provider, id } }) =>
        invoiceAnswer(await showInvoice(ports, provider, id)),
    }),
    adminRoute({
      ...common,
      operation: 'approveInvoice',
      method: 'POST',
      path: '/invoices/{provider}/{id}/approve',
      summary: 'Books what the comparison proposes now, of the days named or of all.',
      params: invoiceParams,
      body: z.unknown().meta({
        type: 'object',
        properties: { days: { type: 'array', items: { type: 'string' } } },
      }),
      permission: 'invoices:write',
      handle: async ({ params, body }) =>
        invoiceAnswer(await approveInvoice(ports, params, body ?? {})),
    }),
  ];
}

function invoiceAnswer(result: InvoiceAnswer): AdminAnswer {
  switch (result.kind) {
    case 'done':
      return done(result.status, result.body);
    case 'not found':
      return refused(404, 'not_found', result.what);
    case 'refused': {
      const { problems } = result;
      const message = `Nothing was kept. ${problems.map(problemText).join('; ')}.`;
      return { status: 400, body: { error: { code: 'invalid_invoice', message, problems } } };
    }
  }
}

function problemText({ line, message }: Problem): string {
  return line === null ? message : `Line ${line}: ${message}`;
}
