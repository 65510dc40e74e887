"""An S3 server with one bucket on a free port; prints its address and ends with its standard input."""

import sys

from moto.server import ThreadedMotoServer

import boto3

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"
client = boto3.client(
    "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
)
client.create_bucket(Bucket="bucket")
print(address, flush=True)
sys.stdin.read()
server.stop()
