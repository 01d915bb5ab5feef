# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += man/pointsmand.8
dist_man_MANS += man/pointsman.conf.5
dist_man_MANS += man/pointsman-prober.8
dist_man_MANS += man/pointsmanctl.1 man/pointsman.3 man/pointsman-plugin.3
dist_man_MANS += man/pointsman-snmp.8
