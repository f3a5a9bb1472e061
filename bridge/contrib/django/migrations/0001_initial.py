"""The first tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PasswordUpgrade",
            fields=[
                ("user_id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("app", models.CharField(max_length=16)),
                ("old_algorithm", models.CharField(max_length=32)),
                ("upgraded_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "password upgrade",
                "db_table": "bridge_password_upgrade",
            },
        ),
        migrations.CreateModel(
            name="RehashJournal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.CharField(max_length=255)),
                ("sealed", models.TextField()),
                ("new_digest", models.CharField(max_length=64)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name_plural": "re-hash journal",
                "db_table": "bridge_rehash_journal",
            },
        ),
        migrations.CreateModel(
            name="RevokedToken",
            fields=[
                ("token_id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("user_id", models.CharField(max_length=255)),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("revoked_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "revoked token",
                "db_table": "bridge_revoked_token",
            },
        ),
        migrations.CreateModel(
            name="SiteProfile",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("document", models.TextField()),
                ("published_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "site profile",
                "db_table": "bridge_site_profile",
            },
        ),
        migrations.CreateModel(
            name="Activity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("app", models.CharField(max_length=16)),
                ("event", models.CharField(max_length=64)),
                ("count", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "activity",
                "db_table": "bridge_activity",
                "constraints": [models.UniqueConstraint(fields=("day", "app", "event"), name="bridge_activity_once")],
            },
        ),
        migrations.CreateModel(
            name="PasswordLineage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.CharField(max_length=255)),
                ("old_auth_hash", models.CharField(max_length=64)),
                ("new_digest", models.CharField(max_length=64)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "verbose_name_plural": "password lineage",
                "db_table": "bridge_password_lineage",
                "indexes": [models.Index(fields=["user_id", "new_digest"], name="bridge_lineage_by_value")],
                "constraints": [
                    models.UniqueConstraint(fields=("user_id", "old_auth_hash"), name="bridge_lineage_once")
                ],
            },
        ),
    ]
