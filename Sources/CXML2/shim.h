#pragma once
#include <libxml/xmlversion.h>
// Debian's libxml2 uses ICU, whose declarations clash with those that Foundation brings. Nothing we use differs
// without them.
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>
