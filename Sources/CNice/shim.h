#pragma once
#include <gio/gio.h>
#include <nice/agent.h>
