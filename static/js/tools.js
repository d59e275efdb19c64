// What a student with a cluster works with, in one: fetched together, when there is a cluster.
export { createDeck } from "./deck.js";
export { createWorkspace } from "./workspace.js";
