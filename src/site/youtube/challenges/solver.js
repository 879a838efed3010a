// Turns a player script into a small one that solves its challenges. Runs in sluice-js, after acorn.
//
// The player is not searched for text of one version but for structure: the function that builds a media URL
// says `….set("alr", "yes")` as a statement of its own. Given a URL, the name of a parameter and a signature
// it returns an object whose getters give both parameters transformed, once its one other method was called.
// What is kept of the player is cut out of the original text: the parser states positions, nothing is printed.
'use strict';

// What the player looks at while it is loaded. Nothing here does anything.
var sluiceStubs = [
  'var window = globalThis, self = globalThis, top = globalThis, parent = globalThis;',
  'var location = {href: "https://www.youtube.com/watch?v=x", protocol: "https:", host: "www.youtube.com",',
  '  hostname: "www.youtube.com", origin: "https://www.youtube.com", pathname: "/watch", search: "?v=x", hash: ""};',
  'var document = {location: location, documentElement: {style: {}}, createElement: function () { return {style: {}}; }};',
  'var navigator = {userAgent: "", platform: "", language: "en"};',
  'var XMLHttpRequest = function () {}; XMLHttpRequest.prototype = {fetch: 1};',
].join('\n');

// Appended inside the player's own function, where its functions can be seen. Each candidate is asked; those
// that answer have to agree.
function sluiceSolver(candidates) {
  function ask(build, sig, n) {
    var url = build('https://www.youtube.com/watch?v=x', 's', sig === null ? undefined : encodeURIComponent(sig));
    if (n !== null) url.set('n', n);
    var known = { constructor: 1, set: 1, get: 1, clone: 1 };
    var proto = Object.getPrototypeOf(url);
    var names = Object.keys(proto).concat(Object.getOwnPropertyNames(proto));
    for (var i = 0; i < names.length; i++) {
      if (known[names[i]] || typeof url[names[i]] !== 'function') continue;
      url[names[i]]();
      break;
    }
    var solved = { sig: null, n: null };
    if (sig !== null) solved.sig = url.get('s');
    if (n !== null) solved.n = url.get('n');
    return solved;
  }
  return function (sig, n) {
    var found = null;
    var why = 'no candidate';
    for (var i = 0; i < candidates.length; i++) {
      var now;
      try {
        now = ask(candidates[i], sig, n);
        if ((sig !== null && typeof now.sig !== 'string') || (n !== null && typeof now.n !== 'string')) throw new Error('no text');
        if (n !== null && now.n === n) throw new Error('n is as it was');
      } catch (e) {
        why = String(e);
        continue;
      }
      if (found && (found.sig !== now.sig || found.n !== now.n)) throw new Error('candidates disagree');
      found = now;
    }
    if (!found) throw new Error('not solved: ' + why);
    return found;
  };
}

// Whether a function is strict matters to nobody here, and acorn asks by an expression anchored at the start of
// the rest of the source, which JavaScriptCore without compilers tries at every place in it: minutes.
acorn.Parser.prototype.strictDirective = function () {
  return false;
};

function sluicePrepare(source) {
  var tree = acorn.parse(source, { ecmaVersion: 'latest' });
  var text = function (node) {
    return source.slice(node.start, node.end);
  };

  // The one large function that everything is in: `(function(g){…})(…)` or `(function(g){…}).call(this, …)`.
  function playerFunction() {
    for (var i = 0; i < tree.body.length; i++) {
      var call = tree.body[i].type === 'ExpressionStatement' && tree.body[i].expression;
      if (!call || call.type !== 'CallExpression') continue;
      var f = call.callee.type === 'MemberExpression' ? call.callee.object : call.callee;
      if (f.type === 'FunctionExpression') return f;
    }
    throw new Error('not a player: no function around it');
  }

  function isMark(e) {
    if (e.type === 'SequenceExpression') return e.expressions.some(isMark);
    return (
      e.type === 'CallExpression' &&
      e.callee.type === 'MemberExpression' &&
      e.arguments.length === 2 &&
      e.arguments[0].value === 'alr' &&
      e.arguments[1].value === 'yes'
    );
  }

  function builds(f) {
    return (
      f &&
      /^(Arrow)?Function(Expression|Declaration)$/.test(f.type) &&
      f.body.type === 'BlockStatement' &&
      f.body.body.some(function (s) {
        return s.type === 'ExpressionStatement' && isMark(s.expression);
      })
    );
  }

  var isPlain = function (e) {
    return e === null || /^(Literal|FunctionExpression|ArrowFunctionExpression)$/.test(e.type);
  };
  var tried = function (code) {
    return 'try{' + code + ';}catch(_){}';
  };
  var main = playerFunction();
  var kept = [];
  var candidates = [];

  // Whatever throws while it is loaded (it wants a browser) costs itself and nothing else.
  function keepVariables(s) {
    s.declarations.forEach(function (d) {
      if (builds(d.init)) candidates.push(text(d.id));
      var code = s.kind + ' ' + text(d) + ';';
      kept.push(s.kind !== 'var' || isPlain(d.init) ? code : tried(code));
    });
  }

  function keep(s) {
    if (s.type === 'VariableDeclaration') {
      keepVariables(s);
    } else if (s.type === 'FunctionDeclaration') {
      if (builds(s)) candidates.push(s.id.name);
      kept.push(text(s));
    } else if (s.type !== 'ExpressionStatement') {
      // Conditions that only set things up are harmless; a class has to stay what it is.
      kept.push(s.type === 'ClassDeclaration' ? text(s) : tried(text(s)));
    } else if (s.expression.type === 'Literal') {
      kept.push(text(s));
    } else if (s.expression.type === 'AssignmentExpression') {
      if (builds(s.expression.right)) candidates.push(text(s.expression.left));
      kept.push(tried(text(s.expression)));
    }
  }

  main.body.body.forEach(keep);
  if (candidates.length === 0) throw new Error('not a player we know: nothing builds a media URL');
  var sts = /signatureTimestamp["']?\s*[:=]\s*["']?(\d{4,6})/.exec(source) || /[,{]sts["']?\s*:\s*["']?(\d{4,6})/.exec(source);
  var names = main.params.map(text);
  return (
    (sts ? sts[1] : '0') +
    '\n' +
    [
      sluiceStubs,
      'var sluiceSolve;',
      '(function(' + names.join(',') + '){',
      kept.join('\n'),
      ';sluiceSolve=(' + sluiceSolver + ')([' + candidates.join(',') + ']);',
      '})(' + (names.length ? '{}' : '') + ');',
    ].join('\n')
  );
}

globalThis.sluicePrepare = sluicePrepare;
