from typing import Any

from django.core.management import BaseCommand

from config.dev.demo.seed import seed_if_empty


class Command(BaseCommand):
    help = "Fill an empty database with a demo fleet; prints the demo's login."

    def handle(self, **options: Any) -> None:
        for line in seed_if_empty():
            self.stdout.write(line)
