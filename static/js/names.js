/** What a file is called in little room, and where a new one goes. Pure. */

/** The folder a file is in, "" at the top. @param {string} path */
export const folderOf = (path) => path.split("/").slice(0, -1).join("/");

/** The uppermost folder a file is in, "" at the top. @param {string} path */
const topOf = (path) => (path.includes("/") ? path.split("/")[0] : "");

/**
 * Whether a program's output is shown in a lesson with labs in these folders also once it has ended: the labs' own,
 * what the lesson's text was tried in, and what lies at the top, which belongs to no lesson.
 * @param {string} path @param {string[]} folders
 */
export const belongs = (path, folders) => !folders.length || [...folders, "try", ""].includes(topOf(path));

/**
 * The name of each file; of those that share one, as much of their folders as tells them apart.
 * @param {string[]} paths @returns {Map<string, string>} path -> what it is called
 */
export function shortNames(paths) {
  const called = new Map();
  const name = (path, parts) => path.split("/").slice(-parts).join("/");
  for (const path of paths) {
    const others = paths.filter((other) => other !== path);
    let parts = 1;
    while (parts < path.split("/").length && others.some((other) => name(other, parts) === name(path, parts))) parts += 1;
    called.set(path, name(path, parts));
  }
  return called;
}

/**
 * Where a new file goes: a name alone lands beside the file that is open; one that begins with / counts from the top.
 * @param {string} typed @param {string} folder of the open file, "" for the top
 */
export function placed(typed, folder) {
  const name = typed.trim();
  if (name.startsWith("/")) return name.slice(1);
  return name.includes("/") || !name || !folder ? name : `${folder}/${name}`;
}
