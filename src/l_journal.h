/*
 * l_journal.h - binds journal.c; part of the module qcimage.core.
 * Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_L_JOURNAL_H
#define QCIMAGE_L_JOURNAL_H

#include <lua.h>

/* Registers the type of a journal. */
void qc_journal_type(lua_State *L);

/*
 * core.journal(path, isNew) -> journal with the methods append(text), sync()
 * and close(), the first two of which return true, or nil and a message
 *   or nil, a message, and "exists", "locked" or nil
 * See journal.h.
 */
int qc_core_journal(lua_State *L);

/* core.syncFolder(path): waits until the names in the folder that a file is in
   are on disk -> true, or nil and a message */
int qc_core_sync_folder(lua_State *L);

#endif
