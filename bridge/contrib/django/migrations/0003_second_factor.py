"""What is remembered of one-time codes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bridge", "0002_grants")]

    operations = [
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                ("user_id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("last_step", models.BigIntegerField(default=-1)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("failing_since", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "second factor",
                "db_table": "bridge_second_factor",
            },
        ),
    ]
