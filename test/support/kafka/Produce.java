import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes records 0 to count - 1 by the Java client: `java Produce.java <brokers> <topic> <compression> <count>`. */
public class Produce {
  public static void main(String[] args) throws Exception {
    var properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("compression.type", args[2]);
    properties.put("linger.ms", "20");
    properties.put("key.serializer", StringSerializer.class.getName());
    properties.put("value.serializer", StringSerializer.class.getName());
    try (var producer = new KafkaProducer<String, String>(properties)) {
      for (int index = 0; index < Integer.parseInt(args[3]); index++)
        producer.send(new ProducerRecord<>(args[1], 0, "key " + index, "value " + index + " " + "x".repeat(index)));
    }
  }
}
