// The registry: one line a family. model_type and general.architecture are looked up in this order.
#include "model/families/families.h"

const Family *const families[] = { &family_llama, &family_hyperclovax, &family_exaone4, &family_exaone_moe,
                                   &family_axk1,  &family_solar_open,  &family_vaetki,  NULL };
