/* The pages of the control room: each gets its place, fills it, and may say how often it wants to be looked at again. */
export { analytics } from './analytics.js';
export { audit } from './audit.js';
export { cache } from './cache.js';
export { dashboard } from './dashboard.js';
export { extraction } from './extraction.js';
export { jobs } from './jobs.js';
export { keys } from './keys.js';
export { streams } from './streams.js';
export { system } from './system.js';
export { users } from './users.js';
