-- Events of OCSF's class 6003 out of lines that a file sink has written, as Parquet in the places that Amazon Security Lake reads. docs/siem/security-lake.md says how.
-- Run in the folder with the lines; put your bucket, region and account in.
COPY (
  SELECT *, 'eu-central-1' AS region, '123456789012' AS accountId, strftime(make_timestamp("time" * 1000), '%Y%m%d') AS eventDay
  FROM read_json('taken/*.jsonl', format = 'newline_delimited', columns = {
    activity_id: 'INTEGER', activity_name: 'VARCHAR', category_name: 'VARCHAR', category_uid: 'INTEGER', class_name: 'VARCHAR', class_uid: 'INTEGER',
    type_name: 'VARCHAR', type_uid: 'BIGINT', severity: 'VARCHAR', severity_id: 'INTEGER', status: 'VARCHAR', status_id: 'INTEGER', status_code: 'VARCHAR',
    status_detail: 'VARCHAR', message: 'VARCHAR', "time": 'BIGINT', duration: 'BIGINT', risk_score: 'INTEGER',
    action: 'VARCHAR', action_id: 'INTEGER', disposition: 'VARCHAR', disposition_id: 'INTEGER', firewall_rule: 'STRUCT(name VARCHAR)', policy: 'STRUCT(name VARCHAR, uid VARCHAR)',
    metadata: 'STRUCT(version VARCHAR, uid VARCHAR, event_code VARCHAR, correlation_uid VARCHAR, log_name VARCHAR, log_provider VARCHAR, sequence BIGINT, tenant_uid VARCHAR, profiles VARCHAR[], product STRUCT(name VARCHAR, vendor_name VARCHAR, version VARCHAR))',
    actor: 'STRUCT(app_uid VARCHAR, idp STRUCT(name VARCHAR), session STRUCT(issuer VARCHAR, uid VARCHAR), user STRUCT(name VARCHAR, uid VARCHAR, domain VARCHAR, credential_uid VARCHAR, type VARCHAR, type_id INTEGER))',
    api: 'STRUCT(operation VARCHAR, version VARCHAR, request STRUCT(uid VARCHAR), response STRUCT(code INTEGER, error VARCHAR), service STRUCT(name VARCHAR))',
    src_endpoint: 'STRUCT(ip VARCHAR, name VARCHAR, intermediate_ips VARCHAR[])', dst_endpoint: 'STRUCT(name VARCHAR, svc_name VARCHAR)',
    resources: 'STRUCT(name VARCHAR, namespace VARCHAR, type VARCHAR, uid VARCHAR)[]', trace: 'STRUCT(uid VARCHAR)',
    raw_data_hash: 'STRUCT(algorithm VARCHAR, algorithm_id INTEGER, value VARCHAR)', unmapped: 'VARCHAR'
  })
  WHERE class_uid = 6003
  QUALIFY row_number() OVER (PARTITION BY metadata.uid ORDER BY "time") = 1
  ORDER BY "time"
) TO 's3://BUCKET/ext/yett-api-activity'
  (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (region, accountId, eventDay), APPEND, FILENAME_PATTERN 'yett_{uuid}');
