// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor.h"
#include "control/web_user_command.h"

int vendor_user_command(int argc, char **argv)
{
	return web_user_command("cordon-vendor", argc, argv);
}
