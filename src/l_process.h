/*
 * l_process.h - binds process.c; part of the module qcimage.core.
 * Part of qcimage, see LICENSE.
 */
#ifndef QCIMAGE_L_PROCESS_H
#define QCIMAGE_L_PROCESS_H

#include <lua.h>
#include <lauxlib.h>

/* What a command asks of its process, by name; the last has none. */
extern const luaL_Reg qc_process_functions[];

#endif
