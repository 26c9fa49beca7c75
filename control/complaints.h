// SPDX-License-Identifier: BSD-3-Clause
// What a daemon says on its standard error, for people: whoever reads it may be slow, or stuck, and is waited for by
// nobody.
#pragma once

// From now on what a pipe, a terminal or a socket at standard error does not take is lost; of a socket what is said by
// stderr. Who shares it with us finds it as it was.
void complaints_never_wait(void);
