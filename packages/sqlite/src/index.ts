export { copyDatabase, newDraft, receiveDatabase, removeDatabase, restoreDatabase } from './backup.js';
export { closeDatabaseToOthers, OpenFiles, prepareFile } from './database-file.js';
export { type DatabaseProblem, FileTrouble, isSqliteDuplicate, problemOf, translated } from './sqlite-errors.js';
export { SqliteThread, type SqliteThreadOptions, type ThreadAnswer, type ThreadMessage } from './sqlite-thread.js';
export { sqliteFile, sqlitePath, sqliteUrl } from './sqlite-url.js';
