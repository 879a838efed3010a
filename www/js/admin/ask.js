/* What the control room asks the server, and the session it does that with. */
const root = '../api/v1/admin/';

export const session = { name: '', role: '', token: '', secondFactor: false };

/* What the server says it is, with its sentence; `status` 0: no answer. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? 'The server does not answer. Is it running?');
    this.status = status;
    this.code = problem?.code ?? 'none';
    this.retryAfter = problem?.retry_after_s ?? 0;
  }
}

async function ask(route, options) {
  let answer;
  try {
    answer = await fetch(root + route, { credentials: 'same-origin', ...options });
  } catch {
    throw new Refusal(0);
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refusal(answer.status, body);
  return body;
}

const fields = (values) => new URLSearchParams(Object.entries(values ?? {}).filter(([, value]) => value !== null && value !== undefined));

export function get(route, query) {
  const text = fields(query).toString();
  return ask(text ? `${route}?${text}` : route);
}

export const post = (route, values) =>
  ask(route, { method: 'POST', headers: { 'X-CSRF-Token': session.token }, body: fields(values) });

function begin(answer) {
  session.name = answer.name;
  session.role = answer.role;
  session.token = answer.csrf_token;
  session.secondFactor = answer.second_factor;
}

/* `code`: of who has a second factor; without it a Refusal says so. */
export const signIn = async (name, password, code) => begin(await post('login', { name, password, code: code || null }));
/* The session this browser still has; throws a Refusal with status 401 where there is none. */
export const resume = async () => begin(await get('session'));
export const mayChange = () => session.role === 'admin';
