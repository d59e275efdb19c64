// The one door through which a string may become HTML (Trusted Types, `trusted-types default` in our policy).
// htmx swaps fragments that our server rendered; anything that could run a script stops here, whoever wrote it.

const SCRIPT = /<\s*(?:script|iframe|object|embed|base|meta|link)\b/i;
// The shortest handlers are oncut and onend; "once =" in a title is no handler.
const HANDLER = /<[^>]*[\s"'/]on[a-z]{3,}\s*=/i;
const JAVASCRIPT = /<[^>]*=\s*["']?\s*(?:javascript|data:text\/html)\s*[:,;]/i;

/** True for HTML in which nothing can run. */
export const runsNothing = (html) => !SCRIPT.test(html) && !HANDLER.test(html) && !JAVASCRIPT.test(html);

/** Make the default policy: HTML that runs nothing passes, script text and script addresses never do. */
export function allowHtml(scope) {
  scope.trustedTypes?.createPolicy("default", {
    createHTML: (html) => (runsNothing(html) ? html : null),
    createScript: () => null,
    createScriptURL: () => null,
  });
}
