/**
 * The shell between Lambda's response stream and an answer. The status and the headers leave before the body has
 * a byte; the invocation ends when the books are closed, which is after the last byte or after what broke the
 * stream, and before the environment may be frozen.
 */
import type { APIGatewayProxyEvent, Context, StreamifyHandler } from 'aws-lambda';
import type { GatewayResponse } from '../../core/response.ts';
import { writeAnswer } from './write-answer.ts';

export type Answered = Pick<GatewayResponse, 'status' | 'headers' | 'body' | 'closed'>;

export function streamed(
  answer: (event: APIGatewayProxyEvent, context: Context) => Promise<Answered>,
): StreamifyHandler<APIGatewayProxyEvent, void> {
  return awslambda.streamifyResponse(async (event: APIGatewayProxyEvent, response, context) => {
    const { status, headers, body, closed } = await answer(event, context);
    const out = awslambda.HttpResponseStream.from(response, { statusCode: status, headers });
    // The runtime sends the head with the first write, and none at all with an `end` alone.
    out.write('');
    try {
      await writeAnswer(body, out);
    } finally {
      await closed;
    }
  });
}
