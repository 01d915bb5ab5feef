# SPDX-License-Identifier: Apache-2.0
pkgsysconf_DATA += etc/pointsman.conf
# The folder for what administrators and packages add; the file in it says how.
pkgsysconfddir = $(pkgsysconfdir)/conf.d
dist_pkgsysconfd_DATA = etc/conf.d/README
EXTRA_DIST += etc/pointsman.conf
