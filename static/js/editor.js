/**
 * The code editor, bundled on its own (js/editor.bundle.js) and loaded when the workspace first opens.
 * Syntax is told by weight and slant, never by colour: colour on this page is data.
 */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const ink = HighlightStyle.define([
  { tag: [tags.keyword, tags.definitionKeyword, tags.controlKeyword], fontWeight: "700" },
  { tag: tags.comment, color: "var(--ink-3)", fontStyle: "italic" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ink-2)" },
  { tag: tags.function(tags.definition(tags.variableName)), fontWeight: "600" },
]);

const theme = EditorView.theme({
  "&": { height: "100%", background: "var(--raise)", color: "var(--ink)", fontSize: "12.5px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.62", scrollbarWidth: "thin" },
  ".cm-content": { padding: "10px 0" },
  ".cm-gutters": { background: "var(--raise)", color: "var(--ink-3)", border: "0" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 12px 0 16px", minWidth: "46px" },
  ".cm-activeLine": { background: "var(--plate)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)", borderLeftWidth: "2px" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { background: "var(--rule-2)" },
  "&.cm-focused .cm-matchingBracket": { background: "var(--wash)", outline: "1px solid var(--rule-2)" },
  ".cm-tooltip": { background: "var(--raise)", border: "1px solid var(--rule-2)", color: "var(--ink)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--ink)", color: "var(--paper)" },
});

const languageOf = (path) => (path.endsWith(".py") ? python() : /\.ya?ml$/.test(path) ? yaml() : []);

/**
 * @param {HTMLElement} parent
 * @param {{onType: (text: string) => void, onRun: () => void}} wiring
 */
export function createEditor(parent, { onType, onRun }) {
  const label = new Compartment();
  const language = new Compartment();
  let quiet = false;
  const base = [
    lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(), autocompletion(),
    highlightActiveLine(), indentUnit.of("    "), syntaxHighlighting(ink), theme,
    keymap.of([
      { key: "Mod-Enter", run: () => { onRun(); return true; } },
      // Tab leaves the editor for those who came by keyboard: Escape first, then Tab.
      ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, indentWithTab,
    ]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged && !quiet) onType(update.state.doc.toString());
    }),
  ];
  const attributes = (path) => EditorView.contentAttributes.of({
    "aria-label": `${path}, press Escape then Tab to leave`, tabindex: "0",
  });
  const stateOf = (path, text) => EditorState.create({
    doc: text, extensions: [base, label.of(attributes(path)), language.of(languageOf(path))],
  });
  const view = new EditorView({ parent, state: stateOf("empty", "") });
  const states = new Map();
  let shown = null;

  return {
    /** Show a file; its undo history and caret are kept while the page lives. */
    show(path, text) {
      if (shown !== null) states.set(shown, view.state);
      shown = path;
      const kept = states.get(path);
      view.setState(kept?.doc.toString() === text ? kept : stateOf(path, text));
      view.scrollDOM.scrollLeft = 0; // the last file's long lines are not this one's
    },
    /** Replace the text of the file that is shown, as from the server, without calling onType. */
    replace(text) {
      if (view.state.doc.toString() === text) return;
      quiet = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      quiet = false;
    },
    focus: () => view.focus(),
  };
}
