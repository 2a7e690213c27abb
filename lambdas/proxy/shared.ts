/**
 * What several of the parts that are loaded late have in common: little, so that a file of its own would cost a first call
 * more than all that reads it at the start (ADR 0032). A test says what is missing here.
 */
import '../../core/dialects/allowances.ts';
import '../../core/dialects/openai/record.ts';
import '../../core/dialects/openai/text.ts';
import '../../core/dialects/openai/usage.ts';
import '../../core/dialects/repeats.ts';
import '../../core/dialects/request-body.ts';
import '../../core/dialects/sse.ts';
