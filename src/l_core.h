/*
 * l_core.h - the parts of the module qcimage.core in separate files:
 * l_cli_process.c, l_journal.c, l_redact.c. Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_L_CORE_H
#define QCIMAGE_L_CORE_H

#include <lua.h>
#include <lauxlib.h>

/* What a command asks of its process, by name; the last has none. */
extern const luaL_Reg qc_cli_process_functions[];

/* core.redact(text, secrets) -> text with "***" in place of each secret of a
   list, see redact.h */
int qc_core_redact(lua_State *L);

/* Registers the type of a journal. */
void qc_journal_type(lua_State *L);

/*
 * core.journal(path, isNew, noLinks) -> journal with the methods append(text),
 * sync() and close(), the first two of which return true, or nil and a message
 *   or nil, a message, and "exists", "locked", "missing" or nil
 * See journal.h.
 */
int qc_core_journal(lua_State *L);

/* core.syncFolder(path): waits until the names in the folder that a file is in
   are on disk -> true, or nil and a message */
int qc_core_sync_folder(lua_State *L);

#endif
