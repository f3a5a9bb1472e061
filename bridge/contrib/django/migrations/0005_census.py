"""How far the upgrade was, day by day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge", "0004_endpoints"),
    ]

    operations = [
        migrations.CreateModel(
            name="CensusSnapshot",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("taken_at", models.DateTimeField(null=True)),
                ("document", models.TextField(blank=True)),
                ("figures", models.TextField(blank=True)),
                ("begun_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "password report",
                "db_table": "bridge_census_snapshot",
            },
        ),
    ]
