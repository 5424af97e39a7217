"""Calls a server by the generated Python client: python3 call.py URL"""

import sys

from qianmian_client import Client
from qianmian_client.api.people_goods import recommend

client = Client(base_url=sys.argv[1])
slate = recommend.sync(client=client, user_id="somebody", count=3)
assert len(slate.items) == 3, slate
print("the Python client:", ", ".join(str(item.title) for item in slate.items))
