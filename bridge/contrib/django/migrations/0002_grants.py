"""Logins that go on: refresh tokens, their rotation and their end."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bridge", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Grant",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("user_id", models.CharField(max_length=255)),
                ("auth_hash", models.CharField(max_length=64)),
                ("current_token_id", models.CharField(max_length=255)),
                ("previous_token_id", models.CharField(max_length=255, null=True)),
                ("opened_by", models.CharField(max_length=255, null=True, unique=True)),
                ("session_key", models.CharField(blank=True, max_length=40)),
                ("scope", models.CharField(blank=True, max_length=1024)),
                ("device", models.CharField(blank=True, max_length=255)),
                ("created_at", models.DateTimeField()),
                ("rotated_at", models.DateTimeField(db_index=True)),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=16)),
            ],
            options={
                "db_table": "bridge_grant",
                "indexes": [
                    models.Index(fields=["user_id"], name="bridge_grant_by_user"),
                    models.Index(fields=["session_key"], name="bridge_grant_by_session"),
                ],
            },
        ),
    ]
