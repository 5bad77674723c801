// Plays the official Node client against a base URL and prints what it made of
// the answers, as one JSON object. A client counts the requests it sends.
const { OpenAI } = require('openai');
const { VERSION } = require('openai/version');

const base = process.argv[2] + '/v1';
const keys = JSON.parse(process.argv[3]);
const messages = [{ role: 'user', content: 'hi [[usage=7,5]]' }];
const timeout = 60_000;

function counted(key, maxRetries) {
  const c = { sent: 0 };
  c.client = new OpenAI({
    baseURL: base,
    apiKey: keys[key],
    maxRetries,
    timeout,
    fetch: (url, init) => {
      c.sent++;
      return fetch(url, init);
    },
  });
  return c;
}

async function complete(key, retries) {
  const c = counted(key, retries);
  const began = performance.now();
  const answer = await c.client.chat.completions.create({ model: 'm', messages, max_tokens: 10 });
  return {
    text: answer.choices[0].message.content,
    finish: answer.choices[0].finish_reason,
    tokens: answer.usage.total_tokens,
    sent: c.sent,
    ms: performance.now() - began,
  };
}

async function stream(key) {
  const c = counted(key, 0);
  const said = { text: '', finish: '', tokens: 0, chunks: 0 };
  const chunks = await c.client.chat.completions.create({
    model: 'm', messages, max_tokens: 10, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of chunks) {
    said.chunks++;
    for (const choice of chunk.choices) {
      said.text += choice.delta.content ?? '';
      said.finish = choice.finish_reason ?? said.finish;
    }
    said.tokens += chunk.usage?.total_tokens ?? 0;
  }
  return { ...said, sent: c.sent };
}

async function embed(key) {
  const c = counted(key, 0);
  const answer = await c.client.embeddings.create({ model: 'm', input: 'hi [[usage=7,0]]' });
  return { numbers: [...answer.data[0].embedding], tokens: answer.usage.total_tokens, sent: c.sent };
}

async function respond(key) {
  const c = counted(key, 0);
  const answer = await c.client.responses.create({ model: 'm', input: 'hi [[usage=7,5]]', max_output_tokens: 10 });
  return { text: answer.output_text, tokens: answer.usage.total_tokens, sent: c.sent };
}

async function respondStreamed(key) {
  const c = counted(key, 0);
  const said = { text: '', tokens: 0, finish: '' };
  const events = await c.client.responses.create({
    model: 'm', input: 'hi [[usage=7,5]]', max_output_tokens: 10, stream: true,
  });
  for await (const event of events) {
    if (event.type === 'response.output_text.delta') said.text += event.delta;
    if (event.type === 'response.completed') {
      said.tokens = event.response.usage.total_tokens;
      said.finish = event.response.status;
    }
  }
  return { ...said, sent: c.sent };
}

async function refused(key, retries, more = {}) {
  const c = counted(key, retries);
  try {
    await c.client.chat.completions.create({ model: 'm', messages, max_tokens: 10, ...more });
  } catch (e) {
    if (!(e instanceof OpenAI.APIError) || e.status === undefined) throw e;
    return {
      class: e.constructor.name,
      status: e.status,
      code: e.code,
      type: e.type,
      message: e.error.message,
      retry_after: e.headers.get('retry-after') ?? '',
      retry_after_ms: e.headers.get('retry-after-ms') ?? '',
      should_retry: e.headers.get('x-should-retry') ?? '',
      sent: c.sent,
    };
  }
  return { class: 'none', sent: c.sent };
}

async function main() {
  return {
    version: VERSION,
    complete: await complete('open', 0),
    stream: await stream('open'),
    embed: await embed('open'),
    respond: await respond('open'),
    respond_streamed: await respondStreamed('open'),
    nobody: await refused('nobody', 2),
    never: await refused('small', 2, { max_tokens: 1000 }),
    first: await complete('once', 0),
    refused: await refused('once', 0),
    refused_stream: await refused('once', 0, { stream: true }),
    retried: await complete('once', 1),
  };
}

main().then(
  (told) => process.stdout.write(JSON.stringify(told)),
  (e) => {
    console.error(e);
    process.exitCode = 1;
  },
);
