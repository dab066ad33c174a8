// The families, one file each. families.c lists them; to add one, declare it here, write its file, and put it into the list.
#ifndef DURE_FAMILIES_H
#define DURE_FAMILIES_H

#include "model/model_internal.h"

extern const Family family_llama, family_hyperclovax, family_exaone4, family_exaone_moe, family_axk1, family_solar_open,
    family_vaetki;

#endif
