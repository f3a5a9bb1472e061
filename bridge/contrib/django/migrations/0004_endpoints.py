"""How endpoints move."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge", "0003_second_factor"),
    ]

    operations = [
        migrations.CreateModel(
            name="EndpointChange",
            fields=[
                ("version", models.BigIntegerField(primary_key=True, serialize=False)),
                ("operation", models.CharField(max_length=255)),
                ("old_stage", models.CharField(max_length=16)),
                ("old_share", models.PositiveIntegerField()),
                ("stage", models.CharField(max_length=16)),
                ("share", models.PositiveIntegerField()),
                ("is_tripped", models.BooleanField()),
                ("actor", models.CharField(max_length=255)),
                ("reason", models.CharField(blank=True, max_length=1024)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "endpoint change",
                "db_table": "bridge_endpoint_change",
            },
        ),
        migrations.CreateModel(
            name="EndpointStage",
            fields=[
                ("operation", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("stage", models.CharField(max_length=16)),
                ("share", models.PositiveIntegerField(default=0)),
                ("is_tripped", models.BooleanField(default=False)),
                ("version", models.BigIntegerField()),
                ("actor", models.CharField(max_length=255)),
                ("reason", models.CharField(blank=True, max_length=1024)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "endpoint stage",
                "db_table": "bridge_endpoint_stage",
            },
        ),
        migrations.CreateModel(
            name="EndpointDifference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("operation", models.CharField(max_length=255)),
                ("place", models.CharField(max_length=255)),
                ("kind", models.CharField(max_length=32)),
                ("legacy", models.CharField(max_length=64)),
                ("candidate", models.CharField(max_length=64)),
                ("count", models.BigIntegerField()),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("legacy_digest", models.CharField(blank=True, max_length=64)),
                ("candidate_digest", models.CharField(blank=True, max_length=64)),
                ("sample", models.TextField(blank=True)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name": "endpoint difference",
                "db_table": "bridge_endpoint_difference",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("operation", "place", "kind", "legacy", "candidate"), name="bridge_difference_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EndpointParity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("operation", models.CharField(max_length=255)),
                ("role", models.CharField(max_length=16)),
                ("status", models.PositiveSmallIntegerField()),
                ("verdict", models.CharField(max_length=16)),
                ("count", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "endpoint parity",
                "db_table": "bridge_endpoint_parity",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "operation", "role", "status", "verdict"), name="bridge_parity_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EndpointTraffic",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.DateTimeField()),
                ("operation", models.CharField(max_length=255)),
                ("side", models.CharField(max_length=16)),
                ("role", models.CharField(max_length=16)),
                ("status_class", models.PositiveSmallIntegerField()),
                ("le_ms", models.PositiveIntegerField()),
                ("count", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "endpoint traffic",
                "db_table": "bridge_endpoint_traffic",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "operation", "side", "role", "status_class", "le_ms"),
                        name="bridge_traffic_once",
                    )
                ],
            },
        ),
    ]
