/*
 * l_redact.h - binds redact.c; part of the module qcimage.core.
 * Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_L_REDACT_H
#define QCIMAGE_L_REDACT_H

#include <lua.h>

/* core.redact(text, secrets) -> text with "***" in place of each secret of a
   list, see redact.h */
int qc_core_redact(lua_State *L);

#endif
