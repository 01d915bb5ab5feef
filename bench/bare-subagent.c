/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench-snmp compares pointsman-snmp with: a subagent as small as net-snmp's library lets one be, a single handler
 * that counts; and below that an exchange of the same bytes between two processes, which no subagent can do without,
 * because snmpd asks for one variable at a time.
 *
 *     bare-subagent ADDRESS COLUMNS ROWS       serves 1.3.6.1.4.1.8072.9999.9999.7669.COLUMN.ROW, all integers
 *     bare-subagent echo                       prints the processor time of an exchange in nanoseconds
 */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXCHANGES 50000u
#define MESSAGE 84 /* bytes of an AgentX GETNEXT, and of its answer, for a variable of a table */

static const oid root[] = { 1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 7669 };
static unsigned long columns, rows;

/* The name behind this one. false: there is none. */
static bool next(const oid *name, size_t n, oid ret[2]) {
        if (snmp_oid_compare(name, n, root, OID_LENGTH(root)) <= 0 || n == OID_LENGTH(root))
                ret[0] = ret[1] = 1;
        else {
                ret[0] = name[OID_LENGTH(root)];
                ret[1] = n > OID_LENGTH(root) + 1 ? name[OID_LENGTH(root) + 1] + 1 : 1;
        }
        if (ret[1] > rows) {
                ret[0]++;
                ret[1] = 1;
        }
        return ret[0] <= columns;
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests) {
        oid name[OID_LENGTH(root) + 2];

        (void) handler;
        (void) registration;
        memcpy(name, root, sizeof(root));
        for (netsnmp_request_info *r = requests; r; r = r->next) {
                netsnmp_variable_list *v = r->requestvb;
                if (info->mode != MODE_GETNEXT || !next(v->name, v->name_length, name + OID_LENGTH(root)))
                        continue;
                long value = (long) name[OID_LENGTH(root) + 1];
                snmp_set_var_objid(v, name, OID_LENGTH(name));
                snmp_set_var_typed_integer(v, ASN_INTEGER, value);
        }
        return SNMP_ERR_NOERROR;
}

static int serve(const char *address) {
        setenv("MIBS", "", 1);
        netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
        netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
        netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE, 1);
        netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, address);
        if (init_agent("bare-subagent") != 0)
                return 1;
        netsnmp_handler_registration *registration =
                netsnmp_create_handler_registration("bare", handle, root, OID_LENGTH(root), HANDLER_CAN_RONLY);
        if (!registration || netsnmp_register_handler(registration) != MIB_REGISTERED_OK)
                return 1;
        init_snmp("bare-subagent");
        for (;;)
                agent_check_and_process(1);
}

static int echo(void) {
        char message[MESSAGE] = "";
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
                return 1;
        pid_t pid = fork();
        if (pid < 0)
                return 1;
        if (pid == 0) {
                struct pollfd p = { .fd = pair[1], .events = POLLIN };
                close(pair[0]);
                while (poll(&p, 1, -1) == 1 && recv(pair[1], message, sizeof(message), 0) == MESSAGE)
                        if (send(pair[1], message, sizeof(message), 0) != MESSAGE)
                                break;
                _exit(0);
        }
        close(pair[1]);
        for (unsigned i = 0; i < EXCHANGES; i++)
                if (send(pair[0], message, sizeof(message), 0) != MESSAGE ||
                    recv(pair[0], message, sizeof(message), 0) != MESSAGE)
                        return 1;
        close(pair[0]);
        struct rusage used;
        if (wait4(pid, NULL, 0, &used) != pid)
                return 1;
        double us = (double) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
                    (double) (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
        printf("%.0f\n", us * 1000 / EXCHANGES);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "echo") == 0)
                return echo();
        if (argc != 4)
                return 2;
        columns = strtoul(argv[2], NULL, 10);
        rows = strtoul(argv[3], NULL, 10);
        return serve(argv[1]);
}
