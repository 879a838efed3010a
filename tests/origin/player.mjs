// A player script in the shape of the real ones: one function around everything, thousands of small ones that are
// of no interest, statements that want a browser, and somewhere the function that builds media URLs. Beside it, what
// the server knows: the way from a signature to the scrambled one, and the right `n`.
export const playerId = 'c0ffee42';
export const signatureTimestamp = 20500;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

// The player undoes it: reverse, swap the first and the ninth, drop two.
export function scramble(signature) {
  const letters = [...`q9${signature}`];
  [letters[0], letters[9]] = [letters[9], letters[0]];
  return letters.reverse().join('');
}

export const solveN = (n) =>
  [...n].map((letter, at) => alphabet[(alphabet.indexOf(letter) + 7 * at + n.length) % alphabet.length]).join('');

const filler = Array.from(
  { length: 4000 },
  (_, i) => `g.f${i}=function(a,b){if(a&&b!==${i})return g.f${(i * 7) % 4000}.call(this,a,b);return a};`,
);

export const playerScript = `var _yt_player={};(function(g){var window=this;/*

 Copyright nobody: a stand-in
*/
'use strict';var W="split,reverse,splice,join,alr,yes,length,indexOf,set,get".split(","),abc="${alphabet}",depth,root=document.documentElement.firstChild.style.width,after=1;
var rot={x4:function(a){a[W[1]]()},k:function(a,b){var c=a[0];a[0]=a[b%a[W[6]]];a[b%a[W[6]]]=c},Q2:function(a,b){a[W[2]](0,b)}};
class Holder{constructor(){this.held=[]}static of(){return new Holder}}
g.Url=function(a,b,c){this.where=a;this.map={};this.dirty=!1;b&&(this.map[b]=c)};g.z=g.Url.prototype;
g.z.set=function(a,b){this.map[a]=b;this.dirty=!0};g.z.get=function(a){return this.map[a]};g.z.clone=function(){return new g.Url(this.where)};
g.z.Ax=function(){var n=this.map.n;n&&this.dirty&&(this.map.n=tr(n),this.dirty=!1)};
function tr(n){var out=[];for(var i=0;i<n.length;i++){out.push(abc[(abc.indexOf(n[i])+7*i+n.length)%abc.length])}return out.join("")}
var sg=function(a){a=a[W[0]]("");rot.x4(a,3);rot.k(a,9);rot.Q2(a,2);return a[W[3]]("")};
${filler.join('\n')}
g.build=function(a,b,c){a=new g.Url(a,b);a.set("alr","yes");c&&a.set(b,sg(decodeURIComponent(c)));return a};
var elsewhere=function(a){a.get("alr")||a.set("alr","yes")};
document.body.appendChild(document.createElement("video"));window.addEventListener("load",function(){});
for(var i=0;i<document.scripts.length;i++)g.scripts=i;
g.config={signatureTimestamp:${signatureTimestamp},after:after};
})(_yt_player);
`;

export const iframeApi = `var scriptUrl = 'https:\\/\\/www.youtube.com\\/s\\/player\\/${playerId}\\/www-widgetapi.vflset\\/www-widgetapi.js';window["YT"]||(YT={loading:0,loaded:0});`;
