"""Asks DuckDB of a file of OCSF events what an analyst would."""

import json
import sys

import duckdb

FILE = f"read_json('{sys.argv[1]}', format = 'newline_delimited', union_by_name = true, sample_size = -1)"
ASKED = {
    "denied_by_user": f"select actor.user.name, count(*) from {FILE} where class_uid = 6003 and action = 'Denied' group by 1 order by 1",
    "tools": f"select resources[1].name, count(*) from {FILE} where api.operation = 'tools/call' and status = 'Success' group by 1 order by 1",
    "alerts": f"select class_name, count(*) from {FILE} where is_alert group by 1 order by 1",
    "gaps": f"select count(*) from (select metadata.sequence - lag(metadata.sequence) over (order by metadata.sequence) as step from "
    f"(select distinct metadata from {FILE} where metadata.sequence is not null)) where step > 1",
}

print(json.dumps({name: duckdb.sql(question).fetchall() for name, question in ASKED.items()}))
