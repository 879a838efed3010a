// Makes docs/api.html of openapi.json and docs/examples.html of the files in docs/examples/. Usage: docs.mjs OUTDIR
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(process.argv[2], 'docs');
const read = (file) => readFileSync(path.join(here, file), 'utf8');

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
// `code` in descriptions
const prose = (text) => escape(text ?? '').replace(/`([^`]+)`/g, '<code>$1</code>');

// Head, frame and foot are those of docs/index.html.
function page(title, sections, main) {
  const [head] = /^[\s\S]*?<main class="page docs">/.exec(read('docs/index.html'));
  const [foot] = /<\/main>[\s\S]*$/.exec(read('docs/index.html'));
  const index = sections.map(([id, name]) => `<li><a href="#${id}">${escape(name)}</a></li>`).join('\n');
  return `${head.replace(/<title>[^<]*/, `<title>${title}`).replace(' aria-current="page"', '')}
<h1>${title}</h1>
<nav aria-label="On this page"><ul class="docs-index">${index}</ul></nav>
${main}
${foot}`;
}

// ---- the reference ----

const api = JSON.parse(read('docs/openapi.json'));
const follow = (node) => (node?.$ref ? follow(node.$ref.slice(2).split('/').reduce((at, name) => at[name], api)) : node);
const nameOf = ({ $ref }) => $ref?.split('/').at(-1);

function typeOf(schema) {
  if (schema.$ref) return `<a href="#${nameOf(schema)}">${nameOf(schema)}</a>`;
  if (schema.enum) return schema.enum.map((value) => `<code>${escape(value)}</code>`).join(', ');
  if ('const' in schema) return `<code>${escape(schema.const)}</code>`;
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  return escape([schema.type ?? 'object'].flat().join(' or '));
}

function table(label, columns, rows) {
  if (rows.length === 0) return '';
  return `<div class="table-responsive" tabindex="0" role="group" aria-label="${escape(label)}"><table class="table">
<thead><tr>${columns.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead>
<tbody>${rows.map(([first, ...rest]) => `<tr><th scope="row">${first}</th>${rest.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n')}</tbody></table></div>`;
}

const fields = (label, { properties = {}, required = [] }) => table(label, ['Field', 'Type', 'Meaning'],
  Object.entries(properties).map(([name, schema]) => [`<code>${name}</code>${required.includes(name) ? '' : ' <small>(may be absent)</small>'}`,
    typeOf(schema) + (schema.properties ? fields(`${label}, ${name}`, schema) : ''), prose(schema.description)]));

function operation(method, route, { operationId, summary, description, parameters = [], requestBody, responses, deprecated }) {
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(responses).map(([status, response]) => {
    const { description: what, content = {}, headers = {} } = follow(response);
    const kinds = Object.entries(content).map(([type, { schema }]) => `<code>${escape(type)}</code>${schema ? ` ${typeOf(schema)}` : ''}`).join(', ');
    const named = Object.keys(headers).map((name) => `<a href="#header-${name}"><code>${name}</code></a>`).join(', ');
    return [status, prose(what), [kinds, named].filter(Boolean).join('; ')];
  });
  return `<h3 id="${operationId}"><code>${method.toUpperCase()} ${escape(route)}</code></h3>
<p>${prose(summary)}.${deprecated ? ' For older clients.' : ''} ${prose(description)}</p>
${table(`Parameters of ${operationId}`, ['Parameter', 'In', 'Type', 'Meaning'], parameters.map(follow).map((p) =>
    [`<code>${p.name}</code>${p.required ? '' : ' <small>(optional)</small>'}`, p.in, typeOf(p.schema), prose(p.description) + (p.example ? ` <code>${escape(p.example)}</code>` : '')]))}
${body ? fields(`Body of ${operationId}`, body) : ''}
${table(`Answers of ${operationId}`, ['Status', 'Answer', 'What comes'], answers)}`;
}

const tags = api.tags.map(({ name, description }) => {
  const rows = Object.entries(api.paths).flatMap(([route, item]) => Object.entries(item).filter(([, op]) => op.tags[0] === name).map(([method, op]) => operation(method, route, op)));
  return `<section id="${name.toLowerCase().replaceAll(' ', '-')}"><h2>${name}</h2><p>${prose(description)}</p>${rows.join('\n')}</section>`;
});
const schemas = Object.entries(api.components.schemas).map(([name, schema]) =>
  `<h3 id="${name}">${name}</h3><p>${prose(schema.description)}</p>${schema.properties ? fields(name, schema) : `<p>${typeOf(schema)}</p>`}`);
const headers = table('Headers', ['Header', 'Meaning'], Object.entries(api.components.headers).map(([name, { description, example }]) =>
  [`<code id="header-${name}">${name}</code>`, prose(description) + (example ? ` <code>${escape(example)}</code>` : '')]));
writeFileSync(path.join(out, 'api.html'), page('API reference · Sluice',
  [...api.tags.map(({ name }) => [name.toLowerCase().replaceAll(' ', '-'), name]), ['schemas', 'What answers hold'], ['headers', 'Headers']],
  `<p>${prose(api.info.description)} A machine reads the same as <a href="openapi.json">openapi.json</a> (OpenAPI ${api.openapi}); <a href="./#api">here it is by example</a>.</p>
${tags.join('\n')}
<section id="schemas"><h2>What answers hold</h2>${schemas.join('\n')}</section>
<section id="headers"><h2>Headers</h2>${headers}</section>`).replace('<h1>API reference · Sluice', '<h1>API reference'));

// ---- the examples: the very files the tests run ----

const examples = [
  ['shell', 'Shell', [['best.sh', 'One file with curl'], ['every-part.sh', 'A table of choices, and the sound of several links (curl, jq)']]],
  ['python', 'Python', [['download.py', 'requests, with resuming'], ['many.py', 'asyncio, several at once (aiohttp)']]],
  ['javascript', 'JavaScript', [['choose.mjs', 'fetch, choosing by rule']]],
];
writeFileSync(path.join(out, 'examples.html'), page('Examples · Sluice', examples.map(([id, name]) => [id, name]),
  `<p>Each of these is run by the tests as it stands. Set <code>SLUICE</code> to the address of your server.</p>
${examples.map(([id, name, files]) => `<section id="${id}"><h2>${name}</h2>${files.map(([file, what]) =>
    `<h3>${escape(what)}</h3><p><a href="examples/${file}" download>${file}</a></p><pre tabindex="0"><code>${escape(read(`docs/examples/${file}`))}</code></pre>`).join('\n')}</section>`).join('\n')}`)
  .replace('<h1>Examples · Sluice', '<h1>Examples'));
