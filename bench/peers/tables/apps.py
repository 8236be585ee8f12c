from django.apps import AppConfig


class TablesConfig(AppConfig):
    name = "bench.peers.tables"
    label = "tables"
