// Rules for our own JavaScript: the page (browser) and the test tools (node). Run from the source tree's root:
// www/node_modules/.bin/eslint -c www/eslint.config.mjs www tests
import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['**/node_modules/', 'build/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: 'module' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'eqeqeq': 'error',
      'no-implied-eval': 'error',
      'no-shadow': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      // Text of the outside becomes markup by these; elements are built instead.
      'no-restricted-properties': ['error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML'].map((property) => ({ property })),
        { object: 'document', property: 'write' }],
    },
  },
  { files: ['www/js/**/*.js'], languageOptions: { globals: globals.browser } },
  { files: ['www/sw.js'], languageOptions: { globals: globals.serviceworker } },
  { files: ['**/*.mjs'], languageOptions: { globals: { ...globals.node } } },
  // Functions handed to the browser run there.
  { files: ['tests/browser/*.mjs'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
];
