// The token that proves a request came from our page; the cookie itself is hidden from scripts.

/** The token of this page, "" where there is none. */
export const csrfToken = (doc) => doc.querySelector('meta[name="csrf-token"]')?.content ?? "";
