"""What an auditor sees of a sink of type `s3`, by the SDK of AWS: each object against its manifest, whether it can be removed, and the lines.

    python objects.py make ENDPOINT BUCKET locked|plain
    python objects.py check ENDPOINT BUCKET PREFIX

`check` prints the lines of all objects in the order of their names; ends 1 with a message where an object is not what its manifest says, where ranges
leave a gap, or where a version can be removed.
"""

import hashlib
import json
import sys

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    act, endpoint, bucket, prefix = sys.argv[1:]
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    if act == "make":
        place = {"LocationConstraint": "eu-central-1"}
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=prefix == "locked")
        return
    keys = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix) for entry in page.get("Contents", [])]
    manifests = sorted(key for key in keys if "/manifest/" in key)
    objects = sorted(key for key in keys if "/manifest/" not in key)
    following, named, heads = 0, set(), 0
    for key in manifests:
        said = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        name = key.replace("/manifest/", "/").removesuffix(".json") + ".jsonl"
        named.add(name)
        assert name.endswith("/" + said["object"]), f"{key}: names {said['object']}"
        answer = s3.get_object(Bucket=bucket, Key=name)
        lines = answer["Body"].read()
        assert hashlib.sha256(lines).hexdigest() == said["sha256"] and len(lines) == said["bytes"], f"{name}: not what its manifest says"
        assert lines.count(b"\n") == said["events"], f"{name}: {said['events']} events"
        assert said["first"] <= following <= said["last"] + 1, f"{name}: a gap before {said['first']}, {following} was to follow"
        following = said["last"] + 1
        assert answer["ObjectLockMode"] == "COMPLIANCE" and answer["ObjectLockRetainUntilDate"], f"{name}: not locked"
        try:
            s3.delete_object(Bucket=bucket, Key=name, VersionId=answer["VersionId"])
            sys.exit(f"{name}: a version was removed")
        except ClientError as refused:
            assert refused.response["Error"]["Code"] == "AccessDenied", refused
        heads += said["head"] is not None
        sys.stdout.write(lines.decode())
    assert heads, "no head went along"
    # What a breakdown between an object and its manifest has left: its lines are in another one.
    for name in set(objects) - named:
        lines = s3.get_object(Bucket=bucket, Key=name)["Body"].read()
        assert lines.endswith(b"\n"), f"{name}: not whole"


main()
